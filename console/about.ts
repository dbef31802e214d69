import { version } from '../shared/cli/version.ts'
import type { About } from './answers/about.ts'
import { route } from './route.ts'

export const aboutRoutes = [
	route({
		method: 'GET',
		path: '/about',
		handle: async (_, { place, target }): Promise<About> => ({
			...{ place, version },
			...(!target.canWrite && { missingRole: 'Storage Table Data Contributor' }),
		}),
	}),
]
