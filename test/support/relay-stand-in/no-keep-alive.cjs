// Loaded before Microsoft's tests: in the Node that they were written for, a connection ended with its answer. One that is
// kept takes the next test's request to the server of the last one, over the rendezvous that is kept for it.

const https = require('node:https')

https.globalAgent = new https.Agent()
