// Loaded before Microsoft's tests, which were written for a Node that closed a connection after its answer. A kept
// connection would send the next test's request to the server of the previous test, over its kept rendezvous.

const https = require('node:https')

https.globalAgent = new https.Agent()
