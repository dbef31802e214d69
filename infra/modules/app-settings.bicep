metadata description = 'The settings of the function app, for functions/settings.ts and for the Functions host.'

@description('Required. Name of the app.')
param appName string

@description('Required. Name of the identity of the app.')
param identityName string

@description('Required. Name of Application Insights.')
param componentName string

@description('Required. Name of the storage account.')
param storageAccountName string

@description('Required. Name of the vault with the tokens.')
param keyVaultName string

@description('Optional. Host name of the relay namespace; empty if no tenant is behind a relay.')
param relayHostName string = ''

@description('Optional. Resource id of the relay namespace; empty if no tenant is behind a relay.')
param relayId string = ''

@description('Optional. Origin of the URLs in answers; if it is empty, the app takes the host name that Azure gives it.')
param publicOrigin string = ''

@description('Required. Days for which the feed of changes is kept.')
param feedDays int

@description('Required. Largest number of users or groups to scan for one request.')
param scanLimit int

@description('Required. Requests a second that a tenant may send to one instance.')
param tenantRate int

@description('Required. Requests that a tenant may send to one instance at once.')
param tenantBurst int

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' existing = {
  name: identityName
}

resource component 'Microsoft.Insights/components@2020-02-02' existing = {
  name: componentName
}

resource app 'Microsoft.Web/sites@2025-03-01' existing = {
  name: appName
}

resource settings 'Microsoft.Web/sites/config@2025-03-01' = {
  parent: app
  name: 'appsettings'
  properties: {
    APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'ClientId=${identity.properties.clientId};Authorization=AAD'
    APPLICATIONINSIGHTS_CONNECTION_STRING: component.properties.ConnectionString
    AZURE_CLIENT_ID: identity.properties.clientId
    AzureWebJobsDisableHomepage: 'true'
    AzureWebJobsStorage__accountName: storageAccountName
    AzureWebJobsStorage__clientId: identity.properties.clientId
    AzureWebJobsStorage__credential: 'managedidentity'
    ROLLCALL_BURST: string(tenantBurst)
    ROLLCALL_FEED_DAYS: string(feedDays)
    ROLLCALL_KEY_VAULT_URL: 'https://${keyVaultName}${environment().suffixes.keyvaultDns}'
    ROLLCALL_PUBLIC_ORIGIN: publicOrigin
    ROLLCALL_RATE: string(tenantRate)
    ROLLCALL_RELAY_NAMESPACE: relayHostName
    ROLLCALL_RELAY_RESOURCE: empty(relayId) ? '' : '${environment().resourceManager}${substring(relayId, 1)}'
    ROLLCALL_SCAN_LIMIT: string(scanLimit)
    ROLLCALL_TABLES_ENDPOINT: 'https://${storageAccountName}.table.${environment().suffixes.storage}'
  }
}
