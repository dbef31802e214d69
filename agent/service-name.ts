import { UsageError } from '../shared/cli/usage-error.ts'

/** The service of an installation without a name. */
export const defaultService = 'rollcall-relay'

/**
 * The name that the operating system has for a service. Throws a UsageError if the name cannot be a part of it.
 * @example serviceId('hr') // 'rollcall-relay-hr'
 */
export function serviceId(name: string | undefined): string {
	if (name === undefined) return defaultService
	if (name.startsWith(defaultService) || !/^[a-z0-9](-?[a-z0-9]){0,31}$/.test(name))
		throw new UsageError(`--name ${name} is not a name for a service`, {
			hint: 'Use up to 32 lowercase letters and digits, with hyphens between them: --name hr is the service rollcall-relay-hr.',
		})
	return `${defaultService}-${name}`
}

/** The folder of the log on Windows. The default service keeps the one of earlier versions. */
export const logFolder = (id: string): string => id.replace(defaultService, 'logs')

/** The arguments that select a service: nothing for the default one. */
export const nameArgument = (id: string): string =>
	id === defaultService ? '' : ` --name ${id.slice(defaultService.length + 1)}`

/** What the title of a service says beside the name of the product. */
export const titleOf = (id: string): string =>
	id === defaultService ? '' : ` (${id.slice(defaultService.length + 1)})`
