import { codeOf } from './usage-error.ts'

const reasons: Readonly<Record<string, string>> = {
	ENOENT: 'there is no such file',
	ENOTDIR: 'there is no such file',
	EISDIR: 'it is a folder',
	EACCES: 'this user has no right to it',
	EPERM: 'this user has no right to it',
	ENOSPC: 'the disk is full',
	EROFS: 'the disk is read-only',
}

/** Why the file system refused, as a sentence without the words of Node; of any other error its message. */
export function fileReason(error: unknown): string {
	const reason = reasons[String(codeOf(error))]
	return reason ?? (error instanceof Error ? error.message : String(error))
}
