import { createInterface } from 'node:readline/promises'
import { Writable } from 'node:stream'

/** Asks the administrator. */
export type Prompt = {
	/** Whether a person is at the terminal. Otherwise no question can be asked. */
	readonly canAsk: boolean
	/** The answer without spaces around it. */
	ask(question: string): Promise<string>
	/** The same for a secret: what is typed is not shown. */
	askSecret(question: string): Promise<string>
	/** Prints a line. */
	say(text: string): void
}

type PromptStreams = { readonly input: NodeJS.ReadStream; readonly output: NodeJS.WriteStream }

/** Asks at the terminal. Questions go to `output`, which is not the stream of results. */
export function terminalPrompt({ input, output }: PromptStreams): Prompt {
	const silent = new Writable({ write: (_chunk, _encoding, done) => done() })
	const askBy = async (question: string, shown: NodeJS.WritableStream): Promise<string> => {
		output.write(question)
		const reader = createInterface({ input, output: shown, terminal: input.isTTY })
		// Ctrl+C would end the question alone.
		reader.on('SIGINT', () => process.exit(130))
		const answer = await reader.question('')
		reader.close()
		return answer.trim()
	}
	return {
		canAsk: input.isTTY && output.isTTY,
		ask: (question) => askBy(question, output),
		askSecret: async (question) => {
			const answer = await askBy(question, silent)
			output.write('\n')
			return answer
		},
		say: (text) => output.write(`${text}\n`),
	}
}
