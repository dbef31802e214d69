import { unzipSync } from 'fflate'
import { expect, test } from 'vitest'
import { archiveOf } from '../../release/archive.ts'

// As the release sets it.
process.env.TZ = 'UTC'

const files = { node: { content: Buffer.from('node'), isProgram: true }, LICENSE: { content: Buffer.from('MIT') } }
const time = new Date('2026-11-30T20:15:30Z')

/** What the central directory of a zip file says: name, mode, date and time. https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT 4.3.12 */
function entriesOf(zip: Buffer) {
	const entries = []
	let at = zip.readUInt32LE(zip.length - 6)
	while (zip.readUInt32LE(at) === 0x02014b50) {
		const [nameLength, extraLength] = [zip.readUInt16LE(at + 28), zip.readUInt16LE(at + 30)]
		const [clock, day] = [zip.readUInt16LE(at + 12), zip.readUInt16LE(at + 14)]
		entries.push({
			name: zip.toString('utf8', at + 46, at + 46 + nameLength),
			system: zip.readUInt8(at + 5),
			mode: (zip.readUInt32LE(at + 38) >>> 16).toString(8),
			date: [(day >> 9) + 1980, (day >> 5) & 15, day & 31],
			time: [clock >> 11, (clock >> 5) & 63, (clock & 31) * 2],
		})
		at += 46 + nameLength + extraLength
	}
	return entries
}

test('an archive has the modes of Unix and the given time', async () => {
	const common = { system: 3, date: [2026, 11, 30], time: [20, 15, 30] }
	const zip = Buffer.from(await archiveOf(files, time))
	expect(entriesOf(zip)).toEqual([
		{ name: 'node', mode: '100755', ...common },
		{ name: 'LICENSE', mode: '100644', ...common },
	])
	expect(Buffer.from(unzipSync(zip).node ?? []).toString()).toBe('node')
})

test('the same files make the same archive', async () => {
	const first = await archiveOf(files, time)
	expect(Buffer.from(await archiveOf({ ...files }, new Date(time))).equals(first)).toBe(true)
})
