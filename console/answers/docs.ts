// What the server answers about the documentation, and what the page reads.

/** A page of the documentation, in Markdown. */
export type DocText = { readonly text: string }

/** Whether the console has a page: README.md, and those of docs/ and docs/decisions/. No other file is read. */
export const isDocPath = (path: string): boolean => /^(README|docs\/(decisions\/)?[\w-]+)\.md$/.test(path)
