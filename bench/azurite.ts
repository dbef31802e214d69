import { startAzurite } from '../local/azurite.ts'

// Runs in its own process, so that the work of the emulator does not count as that of the host.
const { connectionString } = await startAzurite({ memory: true })
process.send?.({ connectionString })
