// What the server answers about the documentation, and what the page reads.

/** A page of the documentation, in Markdown. */
export type DocText = { readonly text: string }
