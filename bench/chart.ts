/** The cost of an operation at a size. Times are in milliseconds. */
export type Point = {
	readonly service: string
	readonly operation: string
	/** The kind of thing that `size` counts. */
	readonly by: 'users' | 'members'
	readonly size: number
	readonly requests: number
	readonly p50: number
	readonly p95: number
	/** The time in relation to the raw time of the same storage calls. */
	readonly ratio: number
}

const width = 490
const height = 250
const margin = { left: 44, right: 200, top: 34, bottom: 34 }
const colours = ['#0b6bcb', '#c2410c', '#15803d', '#7c3aed', '#be185d', '#52525b']

/** Draws the requests and milliseconds of each operation against the size as SVG, for each service. */
export function chart(points: readonly Point[]): string {
	const services = [...new Set(points.map(({ service }) => service))]
	const panels = services.flatMap((service) =>
		(['users', 'members'] as const).flatMap((by) => {
			const here = points.filter((point) => point.service === service && point.by === by)
			return [
				panel(`${service}: requests, by ${by}`, here, ({ requests }) => requests),
				panel(`${service}: p50 in ms, by ${by}`, here, ({ p50 }) => p50),
			]
		}),
	)
	const positioned = panels.map(
		(content, index) =>
			`<g transform="translate(${(index % 2) * width},${Math.floor(index / 2) * height})">${content}</g>`,
	)
	const size = `viewBox="0 0 ${2 * width} ${Math.ceil(panels.length / 2) * height}"`
	return `<svg xmlns="http://www.w3.org/2000/svg" ${size} font-family="sans-serif" font-size="10" fill="#18181b"><rect width="100%" height="100%" fill="#fff"/>${positioned.join('\n')}</svg>\n`
}

function panel(title: string, points: readonly Point[], valueIn: (point: Point) => number): string {
	const sizes = [...new Set(points.map(({ size }) => size))].sort((a, b) => a - b)
	const top = Math.max(...points.map(valueIn)) * 1.15
	const x = (size: number) =>
		margin.left + (sizes.indexOf(size) / Math.max(sizes.length - 1, 1)) * (width - margin.left - margin.right)
	const y = (value: number) => height - margin.bottom - (value / top) * (height - margin.top - margin.bottom)
	const text = (at: readonly [number, number], content: string, more = '') =>
		`<text x="${at[0].toFixed(1)}" y="${at[1].toFixed(1)}" ${more}>${content}</text>`
	const ticks = [0, top / 2, top].map((value) =>
		[
			`<line x1="${margin.left}" x2="${width - margin.right}" y1="${y(value)}" y2="${y(value)}" stroke="#e4e4e7"/>`,
			text([margin.left - 4, y(value) + 3], value.toFixed(value < 10 ? 1 : 0), 'text-anchor="end"'),
		].join(''),
	)
	const operations = [...new Set(points.map(({ operation }) => operation))]
	const lines = operations.map((operation, index) => {
		const colour = colours[index % colours.length]
		const own = points.filter((point) => point.operation === operation)
		const path = own.map((point) => `${x(point.size).toFixed(1)},${y(valueIn(point)).toFixed(1)}`).join(' ')
		const legend = margin.top + index * 15
		return [
			`<polyline points="${path}" fill="none" stroke="${colour}" stroke-width="1.5"/>`,
			...own.map((point) => `<circle cx="${x(point.size)}" cy="${y(valueIn(point))}" r="2.2" fill="${colour}"/>`),
			`<rect x="${width - margin.right + 14}" y="${legend - 7}" width="8" height="8" fill="${colour}"/>`,
			text([width - margin.right + 26, legend], operation),
		].join('')
	})
	const labels = sizes.map((size) =>
		text([x(size), height - margin.bottom + 14], size.toLocaleString('en'), 'text-anchor="middle"'),
	)
	return [text([margin.left, 18], title, 'font-weight="bold"'), ...ticks, ...lines, ...labels].join('\n')
}
