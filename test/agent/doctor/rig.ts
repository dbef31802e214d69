import { createServer as createPlain } from 'node:http'
import { type AddressInfo, connect, type Server, type Socket } from 'node:net'
import { afterEach, beforeEach } from 'vitest'
import type { DoctorFinding } from '../../../agent/doctor/check.ts'
import { diagnose } from '../../../agent/doctor/doctor.ts'
import { systemClock } from '../../../shared/relay/clock.ts'
import { type Lab, settings, startLab } from '../../support/relay-stand-in/lab.ts'
import { resource } from '../../support/relay-stand-in/origin.ts'

/** A machine without an installed service. */
export const machine = { platform: 'linux', folder: '/absent', run: () => 'LoadState=not-found\n' }
const options = { clock: systemClock, machine }

export const failures = (findings: readonly DoctorFinding[]) => findings.filter(({ verdict }) => verdict === 'FAIL')
export const verdicts = (findings: readonly DoctorFinding[]) =>
	findings.map(({ code, verdict }) => `${verdict} ${code}`)

/** Starts a lab for each test, and stops the servers of the test after it. */
export function useRig() {
	let lab: Lab
	const running: { stop(): unknown }[] = []
	beforeEach(async () => {
		lab = await startLab({ serviceClock: systemClock })
		lab.origin.answer = (_, response) => resource(response, 200)
	})
	afterEach(async () => {
		await lab.stop()
		for (const { stop } of running.splice(0)) await stop()
	})
	const defaultSettings = () => settings(lab.standIn, lab.origin)
	const writeSettings = (more = {}) => lab.write('relay.json', JSON.stringify({ ...defaultSettings(), ...more }))
	/** Starts a server on a free port, and returns the port. */
	const listen = async (server: Server): Promise<number> => {
		const sockets = new Set<Socket>()
		server.on('connection', (socket) => sockets.add(socket.on('error', () => undefined)))
		await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
		running.push({
			stop: () => {
				for (const socket of sockets) socket.destroy()
				server.close()
			},
		})
		return (server.address() as AddressInfo).port // sound: it listens on TCP
	}
	return {
		lab: () => lab,
		stopLater: <T extends { stop(): unknown }>(server: T): T => {
			running.push(server)
			return server
		},
		defaultSettings,
		writeSettings,
		diagnoseWith: (more = {}, overrides = {}) => diagnose(writeSettings(more), { ...options, ...overrides }),
		relay: (more: object) => ({ relay: { ...defaultSettings().relay, ...more } }),
		origin: (more: object) => ({ origin: { ...defaultSettings().origin, ...more } }),
		listen,
		/** A proxy that connects to this port for every target. */
		proxyTo: (port: number) =>
			listen(
				createPlain().on('connect', (_, socket: Socket) => {
					const onward = connect(port, '127.0.0.1', () => {
						socket.write('HTTP/1.1 200 OK\r\n\r\n')
						socket.pipe(onward).pipe(socket)
					})
					for (const end of [socket, onward]) end.on('error', () => end.destroy())
				}),
			),
	}
}
