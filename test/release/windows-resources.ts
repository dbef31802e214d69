// Reads executables of Windows: https://learn.microsoft.com/windows/win32/debug/pe-format

/** RT_RCDATA: data that the program reads itself. */
const rawData = 10

type Directory = { readonly id: number | string; readonly offset: number; readonly isFolder: boolean }

/** The raw data with this name in an executable, or undefined. */
export function rawResource(file: Buffer, name: string): Buffer | undefined {
	const { addressOf, resources } = sectionsOf(file)
	const start = addressOf(resources)
	const under = (parent: number, id: number | string): number | undefined => {
		const found = entriesOf(file, { start, at: start + parent }).find((entry) => entry.id === id)
		return found?.offset
	}
	const type = under(0, rawData)
	const named = type === undefined ? undefined : under(type, name)
	if (named === undefined) return undefined
	// The last level is the language, of which there is one.
	const [language] = entriesOf(file, { start, at: start + named })
	if (language === undefined || language.isFolder) return undefined
	const data = start + language.offset
	const offset = addressOf(file.readUInt32LE(data))
	return file.subarray(offset, offset + file.readUInt32LE(data + 4))
}

/**
 * Whether the sections of an executable are in the file, one after the other, and so in memory. Windows refuses other
 * executables.
 */
export function areSectionsSound(file: Buffer): boolean {
	const { sections, imageSize } = sectionsOf(file)
	return sections.every(({ offset, size, address }, index) => {
		const next = sections[index + 1] ?? { offset: file.length, address: imageSize }
		return size === 0 || (offset + size <= next.offset && address + size <= next.address)
	})
}

/** Finds the place of an address in the file, by the table of sections. */
function sectionsOf(file: Buffer) {
	const header = file.readUInt32LE(0x3c)
	const optional = header + 24
	const sections = Array.from({ length: file.readUInt16LE(header + 6) }, (_, index) => {
		const at = optional + file.readUInt16LE(header + 20) + index * 40
		return {
			size: file.readUInt32LE(at + 16),
			address: file.readUInt32LE(at + 12),
			offset: file.readUInt32LE(at + 20),
		}
	})
	const addressOf = (address: number): number => {
		const section = sections.find((each) => address >= each.address && address < each.address + each.size)
		if (section === undefined) throw new Error(`no section has the address ${address}`)
		return section.offset + address - section.address
	}
	const imageSize = file.readUInt32LE(optional + 56)
	return { addressOf, resources: file.readUInt32LE(optional + 128), sections, imageSize }
}

function entriesOf(file: Buffer, { start, at }: { start: number; at: number }): readonly Directory[] {
	const count = file.readUInt16LE(at + 12) + file.readUInt16LE(at + 14)
	return Array.from({ length: count }, (_, index) => {
		const entry = at + 16 + index * 8
		const [id, offset] = [file.readUInt32LE(entry), file.readUInt32LE(entry + 4)]
		const isNamed = id >= 2 ** 31
		return {
			id: isNamed ? textAt(file, start + (id - 2 ** 31)) : id,
			offset: offset % 2 ** 31,
			isFolder: offset >= 2 ** 31,
		}
	})
}

const textAt = (file: Buffer, at: number): string =>
	file.toString('utf16le', at + 2, at + 2 + file.readUInt16LE(at) * 2)
