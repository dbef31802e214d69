/** https://github.com/nodejs/postject: the package has no types of its own. */
declare module 'postject' {
	export function inject(
		file: string,
		resourceName: string,
		resource: Buffer,
		options: { readonly sentinelFuse: string },
	): Promise<void>
}
