const storageName = 'rollcall-session'

/** The key of the link in the address bar, which leaves the address bar at once; undefined if there is none. */
export function keyInAddress(): string | undefined {
	const key = /^#([\w-]{43})$/.exec(location.hash)?.[1]
	if (key !== undefined) history.replaceState(null, '', '#/')
	return key
}

/** The session of this tab. Other tabs, and other programs on this machine, do not get it. */
export const sessionKey = (): string | null => sessionStorage.getItem(storageName)

export const keepSession = (key: string): void => sessionStorage.setItem(storageName, key)

export const forgetSession = (): void => sessionStorage.removeItem(storageName)
