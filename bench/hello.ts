import { app } from '@azure/functions'

// The smallest possible app. The time to load our app is compared with it.

app.http('hello', { route: 'hello', authLevel: 'anonymous', handler: async () => ({ body: 'hello' }) })
