metadata name = 'Rollcall'
metadata description = 'All Azure resources of Rollcall. No key or token is a parameter or an output.'

import { relayTenant } from 'modules/relay.bicep'

@description('Optional. Beginning of the names of all resources: lower-case letters and digits, starting with a letter. A suffix follows, which is the same for every deployment to this resource group.')
@minLength(3)
@maxLength(10)
param name string = 'rollcall'

@description('Optional. Region. It must offer Flex Consumption.')
param location string = resourceGroup().location

@description('Optional. Tags for all resources.')
param tags { *: string } = {}

@description('Optional. Object id of the user, group or service principal that adds tenants; none by default. It gets the roles to write tables and secrets, which the owner of a subscription does not have.')
param administratorId string = ''

@description('Optional. Kind of principal of the administrator.')
param administratorType 'Group' | 'ServicePrincipal' | 'User' = 'User'

@description('Optional. Memory of an instance in megabytes. The processor share is proportional.')
param instanceMemoryMB 512 | 2048 | 4096 = 2048

@description('Optional. Largest number of instances at a time. It limits the cost of a flood of requests.')
@minValue(40)
@maxValue(1000)
param maximumInstanceCount int = 40

@description('Optional. Number of instances that are always ready, and always billed; none by default.')
@minValue(0)
@maxValue(20)
param alwaysReadyInstances int = 0

@description('Optional. Spread app and storage over the zones of the region, if it has zones. Decide at the first deployment.')
param zoneRedundant bool = false

@description('Optional. Keep a deleted vault for 90 days, without any way to purge it earlier. It can be switched on later, but never off.')
param purgeProtection bool = true

@description('Optional. Days for which logs are kept. The first 30 days are free.')
@minValue(30)
@maxValue(730)
param logRetentionDays int = 30

@description('Optional. Limit of logs in gigabytes a day. Beyond it no logs are stored until the next day; -1 for no limit.')
@minValue(-1)
param dailyLogQuotaGb int = 5

@description('Optional. Log every access to the tables: the caller, its address and the operation. It takes some kilobytes a request.')
param auditTables bool = false

@description('Optional. E-mail addresses for alerts: failures, bursts of refused tokens, silent tenants, credentials that end, too few or too many agents. Without an address there are no alerts.')
param alertEmails string[] = []

@description('Optional. Tenants whose SCIM server can be reached only from their own network. Without such tenants there is no relay.')
param relayTenants relayTenant[] = []

@description('Optional. Days for which the feed of changes is kept. An application that reads /Changes within this time misses nothing.')
@minValue(1)
@maxValue(3650)
param feedDays int = 30

@description('Optional. Largest number of users or groups to scan for one request whose filter or sort has no index.')
@minValue(1000)
param scanLimit int = 50000

@description('Optional. Origin of a domain of your own, such as https://scim.contoso.com. All URLs in answers begin with it. Without it, they begin with the address that Azure gives the app.')
param publicOrigin string = ''

@description('Optional. Requests a second that a tenant may send to one instance; a bulk request counts as one for each ten operations. Entra ID asks for at least 25.')
@minValue(25)
param tenantRate int = 100

@description('Optional. Requests that a tenant may send to one instance at once, before its rate holds.')
@minValue(25)
param tenantBurst int = 400

@description('Optional. Allow access to storage and vault only through a virtual network. The app itself stays public, because identity providers call it.')
param privateNetworking bool = false

@description('Optional. Public IPv4 addresses of administrators that may reach storage and vault despite private networking.')
param allowedIpAddresses string[] = []

var suffix = uniqueString(resourceGroup().id)
var names = {
  app: '${name}-${suffix}'
  publisher: '${name}-${suffix}-publisher'
  storage: '${name}${suffix}'
  package: '${name}${suffix}p'
  vault: '${name}-${suffix}'
  relay: '${name}-relay-${suffix}'
}

module identity 'modules/identity.bicep' = {
  params: {
    name: names.app
    location: location
    tags: tags
  }
}

module publisher 'modules/identity.bicep' = {
  params: {
    name: names.publisher
    location: location
    tags: tags
  }
}

module monitoring 'modules/monitoring.bicep' = {
  params: {
    name: names.app
    location: location
    tags: tags
    retentionDays: logRetentionDays
    dailyQuotaGb: dailyLogQuotaGb
  }
}

module queries 'modules/queries.bicep' = {
  dependsOn: [monitoring]
  params: {
    workspaceName: names.app
  }
}

module storage 'modules/storage.bicep' = {
  params: {
    name: names.storage
    location: location
    tags: tags
    zoneRedundant: zoneRedundant
    isPrivate: privateNetworking
    allowedIpAddresses: allowedIpAddresses
    auditTables: auditTables
    workspaceId: monitoring.outputs.workspaceId
  }
}

module package 'modules/package-storage.bicep' = {
  params: {
    name: names.package
    location: location
    tags: tags
    zoneRedundant: zoneRedundant
    isPrivate: privateNetworking
    allowedIpAddresses: allowedIpAddresses
  }
}

module vault 'modules/key-vault.bicep' = {
  params: {
    name: names.vault
    location: location
    tags: tags
    purgeProtection: purgeProtection
    isPrivate: privateNetworking
    allowedIpAddresses: allowedIpAddresses
    workspaceId: monitoring.outputs.workspaceId
  }
}

module network 'modules/network.bicep' = if (privateNetworking) {
  params: {
    name: names.app
    location: location
    tags: tags
  }
}

// One after the other: Azure refuses parallel changes of one network.
@batchSize(1)
module endpoints 'modules/private-endpoint.bicep' = [
  for target in [
    { name: 'blob', service: 'blob' }
    { name: 'package', service: 'blob' }
    { name: 'table', service: 'table' }
    { name: 'vault', service: 'vault' }
  ]: if (privateNetworking) {
    params: {
      name: '${names.app}-${target.name}'
      linkName: '${names.app}-${target.service}'
      location: location
      tags: tags
      networkId: network!.outputs.id
      subnetId: network!.outputs.endpointSubnetId
      targetId: target.name == 'vault'
        ? vault.outputs.id
        : target.name == 'package' ? package.outputs.id : storage.outputs.id
      service: target.service
    }
  }
]

module alerts 'modules/alerts.bicep' = if (!empty(alertEmails)) {
  params: {
    name: names.app
    location: location
    tags: tags
    emails: alertEmails
    componentId: monitoring.outputs.componentId
  }
}

module relay 'modules/relay.bicep' = if (!empty(relayTenants)) {
  params: {
    name: names.relay
    location: location
    tags: tags
    tenants: relayTenants
    workspaceId: monitoring.outputs.workspaceId
  }
}

module agentAlerts 'modules/relay-alerts.bicep' = if (!empty(relayTenants) && !empty(alertEmails)) {
  dependsOn: [relay]
  params: {
    name: names.relay
    tags: tags
    tenants: relayTenants
    actionGroupId: alerts!.outputs.actionGroupId
  }
}

// The host keeps its locks in blobs and creates their containers, so it needs the whole account. Each new tenant has its own
// table, so the app needs all tables. The code is in another account.
var appGrants = concat(
  [
    { role: 'Storage Blob Data Owner', on: { type: 'storageAccount', name: names.storage } }
    { role: 'Storage Table Data Contributor', on: { type: 'storageAccount', name: names.storage } }
    { role: 'Key Vault Secrets User', on: { type: 'vault', name: names.vault } }
    { role: 'Monitoring Metrics Publisher', on: { type: 'component', name: names.app } }
  ],
  map(relayTenants, each => {
    role: 'Azure Relay Sender'
    on: { type: 'hybridConnection', name: '${names.relay}/${each.tenant}' }
  }),
  // The narrowest built-in role that may read the keys of a rule. The rule has only the right to listen.
  map(relayTenants, each => {
    role: 'Azure Relay Owner'
    on: { type: 'keyRule', name: '${names.relay}/${each.tenant}/rollcall-agents' }
  })
)

module appAccess 'modules/role-assignment.bicep' = [
  for grant in appGrants: {
    dependsOn: [monitoring, relay, storage, vault]
    params: {
      role: grant.role
      on: grant.on
      principalId: identity.outputs.principalId
      assignee: names.app
      principalType: 'ServicePrincipal'
    }
  }
]

// The only identity that may write the package. Azure takes a package as this identity, and starts the app from it.
module publisherAccess 'modules/role-assignment.bicep' = {
  dependsOn: [package]
  params: {
    role: 'Storage Blob Data Contributor'
    on: { type: 'storageAccount', name: names.package }
    principalId: publisher.outputs.principalId
    assignee: names.publisher
    principalType: 'ServicePrincipal'
  }
}

var administratorGrants = empty(administratorId)
  ? []
  : [
      { role: 'Storage Table Data Contributor', on: { type: 'storageAccount', name: names.storage } }
      { role: 'Key Vault Secrets Officer', on: { type: 'vault', name: names.vault } }
    ]

module administratorAccess 'modules/role-assignment.bicep' = [
  for grant in administratorGrants: {
    dependsOn: [storage, vault]
    params: {
      role: grant.role
      on: grant.on
      principalId: administratorId
      assignee: administratorId
      principalType: administratorType
    }
  }
]

var agents = flatten(map(
  relayTenants,
  each => map(each.agentPrincipalIds, id => { principalId: id, connection: '${names.relay}/${each.tenant}' })
))

module agentAccess 'modules/role-assignment.bicep' = [
  for agent in agents: {
    dependsOn: [relay]
    params: {
      role: 'Azure Relay Listener'
      on: { type: 'hybridConnection', name: agent.connection }
      principalId: agent.principalId
      assignee: agent.principalId
      principalType: 'ServicePrincipal'
    }
  }
]

module app 'modules/function-app.bicep' = {
  dependsOn: [appAccess, endpoints, publisherAccess]
  params: {
    name: names.app
    location: location
    tags: tags
    identityName: names.app
    publisherName: names.publisher
    packageUrl: package.outputs.packageUrl
    scale: {
      instanceMemoryMB: instanceMemoryMB
      maximumInstanceCount: maximumInstanceCount
      alwaysReadyInstances: alwaysReadyInstances
      zoneRedundant: zoneRedundant
    }
    subnetId: network.?outputs.appSubnetId
  }
}

module appSettings 'modules/app-settings.bicep' = {
  dependsOn: [app]
  params: {
    appName: names.app
    identityName: names.app
    componentName: names.app
    storageAccountName: names.storage
    keyVaultName: names.vault
    relayHostName: relay.?outputs.hostName ?? ''
    relayId: relay.?outputs.id ?? ''
    publicOrigin: publicOrigin
    feedDays: feedDays
    scanLimit: scanLimit
    tenantRate: tenantRate
    tenantBurst: tenantBurst
  }
}

@description('Name of the function app. Packages are published to it.')
output appName string = names.app

@description('Host name of the function app.')
output hostName string = app.outputs.hostName

@description('Origin of the URLs in answers. A Tenant URL is <origin>/scim/<tenant>.')
output publicOrigin string = empty(publicOrigin) ? 'https://${app.outputs.hostName}' : publicOrigin

@description('Name of the storage account with the tables of the tenants.')
output storageAccountName string = names.storage

@description('Name of the vault with the tokens.')
output keyVaultName string = names.vault

@description('Host name of the relay namespace for the agents; null without a relay.')
output relayHostName string? = relay.?outputs.hostName
