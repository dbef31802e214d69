metadata description = 'A storage account for the container that the app is started from, and for nothing else. The app itself has no role here, so a stolen token of the app cannot replace the code. It has keys, but does not take them.'

@description('Required. Name of the account.')
@minLength(3)
@maxLength(24)
param name string

@description('Required. Region.')
param location string

@description('Required. Tags.')
param tags { *: string }

@description('Required. Keep copies in three zones of the region instead of one. Azure does not change this later by deploying.')
param zoneRedundant bool

@description('Required. Close the public endpoint but for the addresses allowed.')
param isPrivate bool

@description('Required. Public IPv4 addresses that may reach a private account.')
param allowedIpAddresses string[]

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

  resource blobs 'blobServices' = {
    name: 'default'

    resource package 'containers' = {
      name: 'package'
    }
  }
}

@description('Resource id of the account.')
output id string = account.id

@description('Address of the container that the app is started from.')
output packageUrl string = 'https://${name}.blob.${environment().suffixes.storage}/${account::blobs::package.name}'
