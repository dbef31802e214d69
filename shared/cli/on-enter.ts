import { spawnSync } from 'node:child_process'
import type { Readable } from 'node:stream'

/**
 * Calls `listener` each time the user presses Enter. The result stops that.
 *
 * The system stops a process in the background when it reads its terminal, so that one reads only in the foreground.
 */
export function onEnter(input: Readable & { readonly isTTY?: boolean }, listener: () => void): () => void {
	const onData = (text: Buffer | string): void => {
		if (String(text).includes('\n')) listener()
	}
	const listen = (): void => {
		input.off('data', onData)
		if (input.isTTY !== true || isForeground()) input.on('data', onData)
		else input.pause()
	}
	listen()
	process.on('SIGCONT', listen)
	return () => {
		process.off('SIGCONT', listen)
		input.off('data', onData)
		input.pause()
		// Node's own type of standard input does not say that it is a socket or a terminal.
		if ('unref' in input && typeof input.unref === 'function') input.unref()
	}
}

/** Whether the terminal belongs to the group of this process. Windows has no such groups. */
function isForeground(): boolean {
	const { status, stdout } = spawnSync('ps', ['-o', 'pgid=,tpgid=', '-p', String(process.pid)], { encoding: 'utf8' })
	if (status !== 0) return process.platform === 'win32'
	const [group, foreground] = stdout.trim().split(/\s+/)
	return group === foreground
}
