// With a tenant whose SCIM server can be reached only from its own network: two agents there connect to the relay.
using 'main.bicep'

param alertEmails = ['identity-operations@example.com']
param relayTenants = [
  {
    tenant: 'headquarters'
    // The object ids of the identities of the agents, such as two servers that Azure Arc manages.
    agentPrincipalIds: ['00000000-0000-0000-0000-000000000001', '00000000-0000-0000-0000-000000000002']
    listeners: 2
  }
]
