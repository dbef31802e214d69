metadata description = 'The function app on Flex Consumption, and its plan.'

@description('Required. Name of the app, the first part of its address.')
param name string

@description('Required. Region.')
param location string

@description('Required. Tags.')
param tags { *: string }

@description('Required. Name of the identity of the app.')
param identityName string

@description('Required. Name of the identity by which Azure writes and reads the package of the app.')
param publisherName string

@description('Required. Address of the container that the app is started from.')
param packageUrl string

@description('Required. Scale: memory of an instance in megabytes, largest number of instances, number of always ready instances, and whether they are spread over zones.')
param scale {
  instanceMemoryMB: int
  maximumInstanceCount: int
  alwaysReadyInstances: int
  zoneRedundant: bool
}

@description('Required. Resource id of the subnet through which the app reaches storage and vault; null for none.')
param subnetId string?

// How many requests an instance has at a time, by its memory in megabytes. Beyond that, Azure starts another instance. Of
// the worst requests, 16 at once take 20 MB each above the idle process (`npm run bench -- worst together`). About 270 MB are
// left for the idle process and the Functions host. The host itself refuses no request: host.json switches its limits off.
// So the only 429 is that of the app, which has a body and Retry-After.
var requestsAtOnce = {
  '512': 8
  '2048': 64
  '4096': 128
}

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' existing = {
  name: identityName
}

resource publisher 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' existing = {
  name: publisherName
}

resource plan 'Microsoft.Web/serverfarms@2025-03-01' = {
  name: name
  location: location
  tags: tags
  kind: 'functionapp'
  sku: {
    name: 'FC1'
    tier: 'FlexConsumption'
  }
  properties: {
    reserved: true
    zoneRedundant: scale.zoneRedundant
  }
}

resource app 'Microsoft.Web/sites@2025-03-01' = {
  name: name
  location: location
  tags: tags
  kind: 'functionapp,linux'
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${identity.id}': {}
      '${publisher.id}': {}
    }
  }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    virtualNetworkSubnetId: subnetId
    siteConfig: {
      ftpsState: 'Disabled'
      minTlsVersion: '1.2'
      scmMinTlsVersion: '1.2'
    }
    functionAppConfig: {
      runtime: {
        name: 'node'
        version: '24'
      }
      deployment: {
        storage: {
          type: 'blobContainer'
          value: packageUrl
          authentication: {
            type: 'UserAssignedIdentity'
            userAssignedIdentityResourceId: publisher.id
          }
        }
      }
      scaleAndConcurrency: {
        instanceMemoryMB: scale.instanceMemoryMB
        maximumInstanceCount: scale.maximumInstanceCount
        alwaysReady: scale.alwaysReadyInstances == 0
          ? []
          : [{ name: 'http', instanceCount: scale.alwaysReadyInstances }]
        triggers: {
          http: {
            perInstanceConcurrency: requestsAtOnce[string(scale.instanceMemoryMB)]
          }
        }
      }
    }
  }

  // Publishing needs an Entra token. The passwords of the publishing profile would be a second way in.
  resource ftpPassword 'basicPublishingCredentialsPolicies' = {
    name: 'ftp'
    properties: {
      allow: false
    }
  }

  resource scmPassword 'basicPublishingCredentialsPolicies' = {
    name: 'scm'
    properties: {
      allow: false
    }
  }
}

@description('Host name of the app.')
output hostName string = app.properties.defaultHostName
