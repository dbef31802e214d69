metadata description = 'A relay namespace with a hybrid connection for each tenant whose SCIM server can be reached only from its own network. Agents listen by role, or by tokens that the app signs with the one key rule of their hybrid connection.'

@description('A tenant that is reached through the relay.')
@export()
type relayTenant = {
  @description('Name of the tenant, and of its hybrid connection.')
  @minLength(2)
  @maxLength(77)
  tenant: string

  @description('Object ids of the identities of the agents of this tenant.')
  agentPrincipalIds: string[]

  @description('Expected number of connected agents. An alert is sent if there are fewer or more.')
  @minValue(1)
  @maxValue(25)
  listeners: int
}

@description('Required. Name of the namespace.')
@minLength(6)
@maxLength(50)
param name string

@description('Required. Region.')
param location string

@description('Required. Tags.')
param tags { *: string }

@description('Required. The tenants.')
param tenants relayTenant[]

@description('Required. Resource id of the workspace that logs are sent to.')
param workspaceId string

resource namespace 'Microsoft.Relay/namespaces@2024-01-01' = {
  name: name
  location: location
  tags: tags
  sku: {
    name: 'Standard'
    tier: 'Standard'
  }

  resource connections 'hybridConnections' = [
    for tenant in tenants: {
      name: tenant.tenant
      properties: {
        requiresClientAuthorization: true
      }
    }
  ]
}

// One after the other: Azure refuses parallel changes of the rules of one namespace.
@batchSize(1)
resource listenRules 'Microsoft.Relay/namespaces/hybridConnections/authorizationRules@2024-01-01' = [
  for (tenant, index) in tenants: {
    parent: namespace::connections[index]
    name: 'rollcall-agents'
    properties: {
      rights: ['Listen']
    }
  }
]

resource events 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  scope: namespace
  name: 'events'
  properties: {
    workspaceId: workspaceId
    logs: [
      {
        category: 'HybridConnectionsEvent'
        enabled: true
      }
    ]
  }
}

@description('Host name of the namespace.')
output hostName string = parseUri(namespace.properties.serviceBusEndpoint).host

@description('Resource id of the namespace.')
output id string = namespace.id
