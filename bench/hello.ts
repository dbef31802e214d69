import { app } from '@azure/functions'

// The smallest app that there can be: what loading ours is held against.

app.http('hello', { route: 'hello', authLevel: 'anonymous', handler: async () => ({ body: 'hello' }) })
