/** The title of an HTML page in one line of at most 100 characters. */
export function titleIn(page: string): string | undefined {
	const [, title] = /<title>([^<]+)/i.exec(page) ?? []
	return title?.replaceAll(/\s+/g, ' ').trim().slice(0, 100)
}

/** Whether the page says that a client certificate is missing. nginx and IIS report that after the TLS handshake. */
export const wantsCertificate = (title: string): boolean => /certificate|\b403\.(7|13|16|17)\b/i.test(title)
