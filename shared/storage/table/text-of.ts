/**
 * The text of UTF-8 in a buffer that nothing else uses, such as a result of `Buffer.concat` or `inflateRawSync`. The buffer
 * may not be used afterwards: memory that is not in the pool of Node.js is given back at once. The collector of garbage lets
 * 64 MB of it wait, because the objects that hold it are small. Node.js 20 cannot give memory back.
 */
export function textOf(whole: Buffer): string {
	const text = whole.toString()
	const { buffer, length } = whole
	const isOwn = length === buffer.byteLength || buffer.byteLength > Buffer.poolSize
	if (isOwn && buffer instanceof ArrayBuffer) buffer.transfer?.(0)
	return text
}
