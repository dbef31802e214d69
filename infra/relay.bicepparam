// With a tenant whose SCIM server only its own network reaches: two agents there dial out to the relay.
using 'main.bicep'

param alertEmails = ['identity-operations@example.com']
param relayTenants = [
  {
    tenant: 'headquarters'
    // The object ids of the agents' identities, such as those of two servers that Azure Arc manages.
    agentPrincipalIds: ['00000000-0000-0000-0000-000000000001', '00000000-0000-0000-0000-000000000002']
    listeners: 2
  }
]
