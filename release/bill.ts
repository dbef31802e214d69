import * as z from 'zod'
import { type NodePackage, nodeVersion } from './node-binaries.ts'
import type { Sources } from './sources.ts'

const component = z.looseObject({ 'bom-ref': z.string() })

/** What `package.mjs` writes: CycloneDX with all packages that the deliverables may hold. */
const productBill = z.looseObject({
	metadata: z.object({ component }),
	components: z.array(component),
	dependencies: z.array(z.object({ ref: z.string(), dependsOn: z.array(z.string()) })),
})

type BillOptions = {
	readonly sources: Sources
	/** The bill of the whole product, as JSON. */
	readonly product: string
	/** The notices of the bundle, which name its packages. */
	readonly notices: string
	readonly nodes: readonly NodePackage[]
}

/** The bill of materials of the agent as JSON: the packages in its bundle, and the binaries of Node. */
export function agentBill({ sources, product, notices, nodes }: BillOptions): string {
	const { metadata, components, dependencies, ...bill } = productBill.parse(JSON.parse(product))
	const noticed = new Set(packagesIn(notices))
	const missing = [...noticed].filter((ref) => !components.some((each) => each['bom-ref'] === ref))
	if (missing.length > 0) throw new Error(`npm sbom leaves out ${missing.join(', ')}`)
	const content = {
		...bill,
		metadata: {
			timestamp: sources.time.toISOString(),
			component: {
				...metadata.component,
				name: 'rollcall-relay',
				pedigree: { commits: [{ uid: sources.commit }] },
			},
		},
		components: [...components.filter((each) => noticed.has(each['bom-ref'])), ...nodes.map(nodeComponent)],
		dependencies: dependencies
			.filter(({ ref }) => noticed.has(ref))
			.map(({ ref, dependsOn }) => ({ ref, dependsOn: dependsOn.filter((each) => noticed.has(each)) })),
	}
	return `${JSON.stringify(content, null, 2)}\n`
}

/** The packages that notices name, as `zod@4.6.7`. */
const packagesIn = (notices: string): readonly string[] =>
	[...notices.matchAll(/^-{80}\n(\S+) (\S+) \(.+\)\n-{80}$/gm)].map(([, name, version]) => `${name}@${version}`)

const nodeComponent = ({ name, sha256 }: NodePackage) => ({
	'bom-ref': `${name}@${nodeVersion}`,
	type: 'platform',
	name: 'node',
	version: nodeVersion,
	purl: `pkg:npm/${name}@${nodeVersion}`,
	hashes: [{ alg: 'SHA-256', content: sha256 }],
	licenses: [{ license: { id: 'MIT' } }],
})
