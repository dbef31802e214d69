import { docHref, docName } from '../docs/doc-address.ts'

/** A sentence whose names of pages of the documentation are links. */
export const WithDocs = ({ text }: { readonly text: string }) => (
	<>{text.split(docName).map((part, index) => (index % 2 === 1 ? <DocLink page={part} /> : part))}</>
)

/** A link to a page of the documentation, such as `docs/cli.md#scopes`. */
export const DocLink = ({ page }: { readonly page: string }) => <a href={docHref(page)}>{page.replace(/#.*/, '')}</a>
