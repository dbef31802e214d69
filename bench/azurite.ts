import { startAzurite } from '../local/azurite.ts'

// A process of its own, so that the emulator's work is not counted as the host's.
const { connectionString } = await startAzurite({ memory: true })
process.send?.({ connectionString })
