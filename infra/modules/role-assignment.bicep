metadata description = 'Assigns one role on one resource to one identity. All role assignments come from this module.'

@description('Name of a built-in role.')
type roleName =
  | 'Azure Relay Listener'
  | 'Azure Relay Owner'
  | 'Azure Relay Sender'
  | 'Key Vault Secrets Officer'
  | 'Key Vault Secrets User'
  | 'Monitoring Metrics Publisher'
  | 'Storage Blob Data Contributor'
  | 'Storage Blob Data Owner'
  | 'Storage Table Data Contributor'

var roleIds = {
  'Azure Relay Listener': '26e0b698-aa6d-4085-9386-aadae190014d'
  'Azure Relay Owner': '2787bf04-f1f5-4bfe-8383-c8a24483ee38'
  'Azure Relay Sender': '26baccc8-eea7-41f1-98f4-1762cc7f685d'
  'Key Vault Secrets Officer': 'b86a8fe4-44ce-4948-aee5-eccb2c155cd7'
  'Key Vault Secrets User': '4633458b-17de-408a-b874-0445c86b69e6'
  'Monitoring Metrics Publisher': '3913510d-42f4-4e42-8a64-420c390055eb'
  'Storage Blob Data Contributor': 'ba92f5b4-2d11-453d-a403-e96b0029c9fe'
  'Storage Blob Data Owner': 'b7e6dc6d-f1e8-4753-8033-0f276bb0955b'
  'Storage Table Data Contributor': '0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3'
}

@description('Required. The role.')
param role roleName

@description('Required. The resource. A hybrid connection is named `namespace/connection`, and its key rule `namespace/connection/rule`.')
param on {
  type: 'component' | 'hybridConnection' | 'keyRule' | 'storageAccount' | 'vault'
  name: string
}

@description('Required. Object id of the identity.')
param principalId string

@description('Required. Name of the identity that is unique and known before the deployment, so that a preview can show the assignment.')
param assignee string

@description('Required. Kind of the identity. It is needed because Entra may not know a new identity yet.')
param principalType 'Group' | 'ServicePrincipal' | 'User'

var assignment = {
  principalId: principalId
  principalType: principalType
  roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleIds[role])
}

// Azure looks up only the resource that is meant, but checks the names of all five.
// https://github.com/Azure/bicep/issues/12204
var plainName = contains(['hybridConnection', 'keyRule'], on.type) ? 'none' : on.name

resource component 'Microsoft.Insights/components@2020-02-02' existing = if (on.type == 'component') {
  name: plainName
}

resource hybridConnection 'Microsoft.Relay/namespaces/hybridConnections@2024-01-01' existing = if (on.type == 'hybridConnection') {
  name: on.type == 'hybridConnection' ? on.name : 'none/none'
}

resource keyRule 'Microsoft.Relay/namespaces/hybridConnections/authorizationRules@2024-01-01' existing = if (on.type == 'keyRule') {
  name: on.type == 'keyRule' ? on.name : 'none/none/none'
}

resource account 'Microsoft.Storage/storageAccounts@2025-06-01' existing = if (on.type == 'storageAccount') {
  name: plainName
}

resource vault 'Microsoft.KeyVault/vaults@2025-05-01' existing = if (on.type == 'vault') {
  name: plainName
}

resource onComponent 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (on.type == 'component') {
  scope: component
  name: guid(component.id, assignee, roleIds[role])
  properties: assignment
}

resource onHybridConnection 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (on.type == 'hybridConnection') {
  scope: hybridConnection
  name: guid(hybridConnection.id, assignee, roleIds[role])
  properties: assignment
}

resource onKeyRule 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (on.type == 'keyRule') {
  scope: keyRule
  name: guid(keyRule.id, assignee, roleIds[role])
  properties: assignment
}

resource onAccount 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (on.type == 'storageAccount') {
  scope: account
  name: guid(account.id, assignee, roleIds[role])
  properties: assignment
}

resource onVault 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (on.type == 'vault') {
  scope: vault
  name: guid(vault.id, assignee, roleIds[role])
  properties: assignment
}
