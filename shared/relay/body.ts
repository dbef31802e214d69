import type { IncomingMessage } from 'node:http'

/**
 * A body of at most so many bytes, or undefined when it is longer. Rejects when it breaks off.
 * Reads by listeners: a loop over the chunks costs several times as much, which is what counts for small bodies.
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
