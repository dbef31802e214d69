import { expect, test } from 'vitest'
import { typedIn } from './typed.ts'

const page = `# Tools

Type \`saw wood\`, \`saw
it\` (not run by a
test), \`saw wood\` or \`file it\`.

\`\`\`sh
saw one
\`\`\`

- In a list:

  \`\`\`bash
  # a comment is no heading
  saw two \\
    slowly
  \`\`\`

## Data

\`\`\`json
{ "saw": "no" }
\`\`\`

\`\`\`mermaid
flowchart LR
\`\`\`

\`\`\`
Length  2
saw three
\`\`\`

## Marks

\`\`\`sh
# Not run by a test, since it is dangerous:
saw off
saw on

saw four
\`\`\`

\`\`\`powershell
# saw five: not run by a test
saw five

saw four;
\`\`\`

## Windows

\`\`\`powershell
saw six
\`\`\`
`

test('finds what is typed, but for what is marked', () => {
	expect(typedIn(page, (text) => text.startsWith('saw '))).toEqual({
		scripts: new Map([
			['Tools', 'saw one\n# a comment is no heading\nsaw two \\\n  slowly\n'],
			['Data', 'saw three\n'],
			['Marks', 'saw four\n'],
		]),
		lines: ['saw wood'],
		translations: [
			{ powershell: 'saw four;', bash: ['# Not run by a test, since it is dangerous:\nsaw off\nsaw on', 'saw four'] },
			{ powershell: 'saw six', bash: [] },
		],
	})
})
