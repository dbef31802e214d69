/**
 * The text of UTF-8 in one or more buffers. Neither they nor other parts of their memory may be used afterwards: memory
 * that is not in the pool of Node.js is given back at once. The collector of garbage lets 64 MB of it wait, because the
 * objects that hold it are small.
 */
export function textOf(buffers: readonly Buffer[]): string {
	const [only] = buffers
	const whole = only !== undefined && buffers.length === 1 ? only : Buffer.concat(buffers)
	const text = whole.toString()
	for (const buffer of [...buffers, whole]) giveBack(buffer)
	return text
}

/** Node.js 20 cannot give memory back. Memory that was given back already has no bytes. */
function giveBack({ buffer, length }: Buffer): void {
	if (buffer.byteLength === 0) return
	const isOwn = length === buffer.byteLength || buffer.byteLength > Buffer.poolSize
	if (isOwn && buffer instanceof ArrayBuffer) buffer.transfer?.(0)
}
