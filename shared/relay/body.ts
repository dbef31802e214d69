import type { IncomingMessage } from 'node:http'

/**
 * Reads a body of at most `limit` bytes. Resolves to undefined if it is longer. Rejects if the connection breaks.
 * Uses listeners, because an async loop over the chunks of a small body costs several times as much.
 */
export const readBody = (message: IncomingMessage, limit: number): Promise<Buffer | undefined> =>
	new Promise((resolve, reject) => {
		const chunks: Buffer[] = []
		let length = 0
		message.on('data', (chunk: Buffer) => {
			length += chunk.length
			if (length <= limit) return chunks.push(chunk)
			message.destroy()
			return resolve(undefined)
		})
		message.on('end', () => resolve(Buffer.concat(chunks)))
		message.on('error', reject)
	})
