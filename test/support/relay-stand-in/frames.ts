/** A WebSocket frame as it was sent (RFC 6455 section 5.2). */
export type Frame = { readonly opcode: number; readonly fin: boolean; readonly length: number }

/** Reads frame headers from a stream of bytes, because `ws` hides how a message was fragmented. */
export function frameReader(onFrame: (frame: Frame) => void): (bytes: Buffer) => void {
	let pending: Buffer = Buffer.alloc(0)
	let skip = 0
	return (bytes) => {
		pending = pending.length === 0 ? bytes : Buffer.concat([pending, bytes])
		for (;;) {
			const skipped = Math.min(skip, pending.length)
			skip -= skipped
			pending = pending.subarray(skipped)
			const frame = skip === 0 ? headerOf(pending) : undefined
			if (frame === undefined) return
			onFrame({ opcode: frame.opcode, fin: frame.fin, length: frame.length })
			pending = pending.subarray(frame.header)
			skip = frame.length
		}
	}
}

function headerOf(bytes: Buffer): (Frame & { readonly header: number }) | undefined {
	if (bytes.length < 2) return undefined
	const first = bytes.readUInt8(0)
	const second = bytes.readUInt8(1)
	const short = second & 0x7f
	const extended = short === 127 ? 8 : short === 126 ? 2 : 0
	const header = 2 + extended + (second & 0x80 ? 4 : 0)
	if (bytes.length < header) return undefined
	const length = extended === 8 ? Number(bytes.readBigUInt64BE(2)) : extended === 2 ? bytes.readUInt16BE(2) : short
	return { opcode: first & 0x0f, fin: (first & 0x80) !== 0, length, header }
}
