import type { ComponentChildren, VNode } from 'preact'
import { h } from 'preact'
import { useEffect, useMemo } from 'preact/hooks'
import type { DocText } from '../../answers/docs.ts'
import { Loaded } from '../parts/states.tsx'
import { useAnswer } from '../use-answer.ts'
import { docHref, linkTarget } from './doc-address.ts'
import { blocksIn, type DocBlock, type DocSpan, type DocSpans } from './markdown.ts'

type DocPageProps = {
	/** The path in the repository, such as `docs/cli.md`. */
	readonly path: string
	/** The anchor of the heading to begin at. */
	readonly at: string | null
}

/** A page of the documentation, as it was when the console was built. */
export function DocPage({ path, at }: DocPageProps) {
	const answer = useAnswer<DocText>(`/docs/${encodeURIComponent(path)}`)
	return (
		<article class="doc">
			<p class="quiet">
				{path} · <a href={docHref('docs/README.md')}>all pages</a>
			</p>
			<Loaded answer={answer} show={({ text }) => <Doc path={path} at={at} text={text} />} />
		</article>
	)
}

function Doc({ path, at, text }: DocPageProps & DocText) {
	const blocks = useMemo(() => blocksIn(text), [text])
	useEffect(() => showHeading(at), [at])
	return <Blocks page={path} blocks={blocks} />
}

/** Brings a heading into view, and gives it to the keyboard and to screen readers. */
function showHeading(anchor: string | null): void {
	const heading = anchor === null ? document.querySelector('.doc h1') : document.getElementById(anchorId(anchor))
	if (!(heading instanceof HTMLElement)) return
	if (anchor === null) scrollTo(0, 0)
	else heading.scrollIntoView()
	heading.focus({ preventScroll: true })
}

/** The ids of the page itself stay apart. */
const anchorId = (anchor: string): string => `doc-${anchor}`

type BlocksProps = { readonly page: string; readonly blocks: readonly DocBlock[] }

// The blocks of a text never change their places.
const Blocks = ({ page, blocks }: BlocksProps) => <>{blocks.map((block) => blockView(page, block))}</>

function blockView(page: string, block: DocBlock): VNode {
	switch (block.kind) {
		case 'heading':
			return h(
				`h${block.level}`,
				{ id: anchorId(block.anchor), tabIndex: -1 },
				<Spans page={page} spans={block.spans} />,
			)
		case 'paragraph':
			return (
				<p>
					<Spans page={page} spans={block.spans} />
				</p>
			)
		case 'code':
			return <pre>{block.text}</pre>
		case 'quote':
			return (
				<blockquote>
					<Blocks page={page} blocks={block.blocks} />
				</blockquote>
			)
		case 'list':
			return h(
				block.isOrdered ? 'ol' : 'ul',
				{},
				block.items.map((item) => <li>{itemView(page, item)}</li>),
			)
		case 'table':
			return <DocTable page={page} head={block.head} rows={block.rows} />
	}
}

/** An item of one paragraph is a line. */
function itemView(page: string, item: readonly DocBlock[]): ComponentChildren {
	const [first, ...rest] = item
	if (first?.kind !== 'paragraph') return <Blocks page={page} blocks={item} />
	return (
		<>
			<Spans page={page} spans={first.spans} />
			<Blocks page={page} blocks={rest} />
		</>
	)
}

type DocTableProps = Omit<Extract<DocBlock, { kind: 'table' }>, 'kind'> & { readonly page: string }

function DocTable({ page, head, rows }: DocTableProps) {
	return (
		<div class="wide">
			<table>
				<thead>
					<tr>
						{head.map((spans) => (
							<th scope="col">
								<Spans page={page} spans={spans} />
							</th>
						))}
					</tr>
				</thead>
				<tbody>
					{rows.map((cells) => (
						<tr>
							{cells.map((spans) => (
								<td>
									<Spans page={page} spans={spans} />
								</td>
							))}
						</tr>
					))}
				</tbody>
			</table>
		</div>
	)
}

const Spans = ({ page, spans }: { readonly page: string; readonly spans: DocSpans }) => (
	<>{spans.map((span) => spanView(page, span))}</>
)

function spanView(page: string, span: DocSpan): ComponentChildren {
	switch (span.kind) {
		case 'text':
			return span.text
		case 'code':
			return <code>{span.text}</code>
		case 'strong':
		case 'em':
			return h(span.kind, {}, <Spans page={page} spans={span.spans} />)
		case 'link':
			return <DocSpanLink page={page} href={span.href} spans={span.spans} />
	}
}

type DocSpanLinkProps = { readonly page: string; readonly href: string; readonly spans: DocSpans }

/** A source of Rollcall is named, and has no page here. */
function DocSpanLink({ page, href, spans }: DocSpanLinkProps) {
	const target = linkTarget(page, href)
	const text = <Spans page={page} spans={spans} />
	if (target === undefined) return text
	return target.isOutside ? (
		<a href={target.href} target="_blank" rel="noreferrer">
			{text}
		</a>
	) : (
		<a href={target.href}>{text}</a>
	)
}
