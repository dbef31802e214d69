// Loaded before a program. It redirects TLS connections to the names in REDIRECT to ports of the loopback interface, and
// refuses all others, like a network without Azure. Names and certificates are unchanged. Timeouts are short.

const { syncBuiltinESMExports } = require('node:module')
const timers = require('node:timers/promises')
const tls = require('node:tls')

const ports = JSON.parse(process.env.REDIRECT)
const { connect } = tls

tls.connect = (options, ...rest) => {
	const port = ports[options.host]
	if (port === undefined && options.host !== '127.0.0.1') throw new Error(`${options.host} is not on this machine`)
	const servername = options.servername || options.host
	return connect(port === undefined ? options : { ...options, host: '127.0.0.1', port, servername }, ...rest)
}

const { setTimeout: sleep } = timers

timers.setTimeout = (milliseconds, ...rest) => sleep(Math.min(milliseconds, 100), ...rest)
syncBuiltinESMExports()
