metadata description = 'An identity of the function app. It exists before the app does, so its roles can be in place when the app first starts.'

@description('Required. Name of the identity.')
param name string

@description('Required. Region.')
param location string

@description('Required. Tags.')
param tags { *: string }

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: name
  location: location
  tags: tags
}

@description('Object id, for role assignments.')
output principalId string = identity.properties.principalId

@description('Client id, with which the app requests tokens.')
output clientId string = identity.properties.clientId
