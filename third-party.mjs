// The notices of the packages that a bundle holds.

import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'

/** The text of THIRD_PARTY_NOTICES: each package in the bundle with its version, its license and the license's text. */
export async function noticesOf({ outputs }) {
	const files = Object.values(outputs).flatMap(({ inputs }) =>
		Object.entries(inputs)
			.filter(isKept)
			.map(([file]) => file),
	)
	const folders = new Set(files.map(packageFolderOf).filter((folder) => folder !== undefined))
	const notices = await Promise.all([...folders].sort().map(noticeOf))
	return `This program contains the following packages.\n${notices.join('')}`
}

const isKept = ([, { bytesInOutput }]) => bytesInOutput > 0

/** @example packageFolderOf('node_modules/@azure/identity/dist/x.js') // 'node_modules/@azure/identity' */
const packageFolderOf = (file) => /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(file)?.[1]

async function noticeOf(folder) {
	const { name, version, license, author, repository } = JSON.parse(
		await readFile(join(folder, 'package.json'), 'utf8'),
	)
	if (license === undefined) throw new Error(`${folder}/package.json names no license`)
	const texts = (await readdir(folder)).filter((file) => /^(licen[cs]e|copying|notice)/i.test(file)).sort()
	const bodies = await Promise.all(texts.map((file) => readFile(join(folder, file), 'utf8')))
	const without = `The package has no license text. Author: ${author?.name ?? author}. Source: ${repository?.url ?? repository}`
	const rule = '-'.repeat(80)
	const body = bodies.length === 0 ? without : bodies.map((text) => text.trim()).join('\n\n')
	return `\n${rule}\n${name} ${version} (${license})\n${rule}\n\n${body}\n`
}
