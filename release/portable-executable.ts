// The format of executables of Windows: https://learn.microsoft.com/windows/win32/debug/pe-format

/** Offset of the optional header after the offset of the signature `PE`, and of its fields in a 64-bit executable. */
const optionalHeader = 24
const checksum = 64
const certificateTable = 144

/**
 * An executable of Windows without its signature, which the injection would make invalid. Its checksum is 0, which
 * means none. Throws an Error if the file has another format.
 */
export function withoutSignature(file: Buffer): Buffer {
	const header = file.readUInt32LE(0x3c) + optionalHeader
	if (file.toString('latin1', header - optionalHeader, header - optionalHeader + 4) !== 'PE\0\0')
		throw new Error('the file is not an executable of Windows')
	if (file.readUInt16LE(header) !== 0x20b) throw new Error('the executable of Windows has no 64 bits')
	const entry = header + certificateTable
	// The only entry that holds an offset in the file. The signature is at the end of the file.
	const [offset, size] = [file.readUInt32LE(entry), file.readUInt32LE(entry + 4)]
	if (offset !== 0 && offset + size !== file.length)
		throw new Error('something follows the signature of the executable')
	const bare = Buffer.from(offset === 0 ? file : file.subarray(0, offset))
	bare.fill(0, entry, entry + 8)
	bare.writeUInt32LE(0, header + checksum)
	return bare
}
