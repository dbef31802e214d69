metadata description = 'The storage account of the app: the tables of the directory, and the blobs in which the Functions host keeps its locks. It has keys, but does not take them.'

@description('Required. Name of the account.')
@minLength(3)
@maxLength(24)
param name string

@description('Required. Region.')
param location string

@description('Required. Tags.')
param tags { *: string }

@description('Required. Keep copies in three zones of the region instead of one. A later deployment cannot change this.')
param zoneRedundant bool

@description('Required. Close the public endpoint, except for the allowed addresses.')
param isPrivate bool

@description('Required. Public IPv4 addresses that may reach a private account.')
param allowedIpAddresses string[]

@description('Required. Log every access to the tables.')
param auditTables bool

@description('Required. Resource id of the workspace that logs are sent to.')
param workspaceId string

resource account 'Microsoft.Storage/storageAccounts@2025-06-01' = {
  name: name
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: {
    name: zoneRedundant ? 'Standard_ZRS' : 'Standard_LRS'
  }
  properties: {
    accessTier: 'Hot'
    allowBlobPublicAccess: false
    allowCrossTenantReplication: false
    allowSharedKeyAccess: false
    defaultToOAuthAuthentication: true
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
    publicNetworkAccess: isPrivate && empty(allowedIpAddresses) ? 'Disabled' : 'Enabled'
    networkAcls: {
      defaultAction: isPrivate ? 'Deny' : 'Allow'
      bypass: 'None'
      ipRules: map(allowedIpAddresses, address => { value: address, action: 'Allow' })
    }
  }

  resource tables 'tableServices' = {
    name: 'default'

    // Each tenant is a row of this table, and has its own table, which is created with the tenant.
    resource tenants 'tables' = {
      name: 'tenants'
    }
  }
}

resource audit 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = if (auditTables) {
  scope: account::tables
  name: 'audit'
  properties: {
    workspaceId: workspaceId
    logs: [
      {
        categoryGroup: 'audit'
        enabled: true
      }
    ]
  }
}

@description('Resource id of the account.')
output id string = account.id
