metadata description = 'Alerts and their recipients. The first rules count requests in Application Insights; host.json excludes requests from sampling. The others read the lines of the log for each tenant: once an hour, or for losses four times an hour.'

@description('Required. Prefix of the names of the rules.')
param name string

@description('Required. Region.')
param location string

@description('Required. Tags.')
param tags { *: string }

@description('Required. E-mail addresses of the recipients.')
param emails string[]

@description('Required. Resource id of Application Insights.')
param componentId string

var rules = [
  {
    name: 'failures'
    description: 'Five or more requests in five minutes were answered 5xx. Provisioning clients retry. Look at the exceptions.'
    // A request for an unsupported endpoint, such as /Me, gets a 501 by design.
    condition: 'toint(resultCode) >= 500 and resultCode != "501"'
    threshold: 5
    minutes: 5
    severity: 1
  }
  {
    name: 'refusals'
    description: 'Fifty or more requests in fifteen minutes were answered 401: a client has an expired token, or an attacker guesses tokens.'
    condition: 'resultCode == "401"'
    threshold: 50
    minutes: 15
    severity: 2
  }
]

// A line of the log has the tenant only if the token of the request was right.
var tenantRules = [
  {
    name: 'silence'
    description: 'A tenant that was used in the last two days has had no authenticated request for a day: its provisioning may have stopped.'
    query: 'traces | where message startswith \'{"requestId"\' | extend event = parse_json(message) | extend tenant = tostring(event.tenant) | where isnotempty(tenant) | summarize lastSeen = max(timestamp) by tenant | where lastSeen < ago(24h)'
    windowSize: 'P2D'
    frequency: 'PT1H'
  }
  {
    name: 'ending-credentials'
    description: 'A token or a client secret of a tenant ends within two weeks, and no newer one replaces it. Look at it with rollcall token list and rollcall client list.'
    query: 'traces | where message startswith \'{"event":"sweep"\' | extend event = parse_json(message) | where array_length(event.endingCredentials) > 0 | extend tenant = tostring(event.tenant) | summarize lastSeen = max(timestamp) by tenant'
    windowSize: 'PT12H'
    frequency: 'PT1H'
  }
  {
    name: 'losses'
    description: 'Within an hour more people or groups of a tenant were deleted or deactivated than its guard allows, or one request took more than half of a group. If that is not wanted, pause provisioning now. Look at it with rollcall guard status.'
    query: 'traces | where message startswith \'{"event":"sweep"\' | extend event = parse_json(message) | where tobool(event.guard.isBeyond) | extend tenant = tostring(event.tenant) | summarize lastSeen = max(timestamp) by tenant'
    windowSize: 'PT30M'
    frequency: 'PT15M'
  }
]

resource actionGroup 'Microsoft.Insights/actionGroups@2023-01-01' = {
  name: name
  location: 'global'
  tags: tags
  properties: {
    groupShortName: 'rollcall'
    enabled: true
    emailReceivers: [for email in emails: { name: email, emailAddress: email, useCommonAlertSchema: true }]
  }
}

resource alert 'Microsoft.Insights/scheduledQueryRules@2026-03-01' = [
  for rule in rules: {
    name: '${name}-${rule.name}'
    location: location
    tags: tags
    kind: 'LogAlert'
    properties: {
      displayName: '${name}: ${rule.name}'
      description: rule.description
      enabled: true
      severity: rule.severity
      scopes: [componentId]
      evaluationFrequency: 'PT5M'
      windowSize: 'PT${rule.minutes}M'
      criteria: {
        allOf: [
          {
            query: 'requests | where ${rule.condition}'
            timeAggregation: 'Count'
            operator: 'GreaterThanOrEqual'
            threshold: rule.threshold
          }
        ]
      }
      autoMitigate: true
      actions: {
        actionGroups: [actionGroup.id]
      }
    }
  }
]

resource tenantAlert 'Microsoft.Insights/scheduledQueryRules@2026-03-01' = [
  for rule in tenantRules: {
    name: '${name}-${rule.name}'
    location: location
    tags: tags
    kind: 'LogAlert'
    properties: {
      displayName: '${name}: ${rule.name}'
      description: rule.description
      enabled: true
      severity: 2
      scopes: [componentId]
      evaluationFrequency: rule.frequency
      windowSize: rule.windowSize
      criteria: {
        allOf: [
          {
            query: rule.query
            timeAggregation: 'Count'
            operator: 'GreaterThanOrEqual'
            threshold: 1
            dimensions: [{ name: 'tenant', operator: 'Include', values: ['*'] }]
          }
        ]
      }
      autoMitigate: true
      actions: {
        actionGroups: [actionGroup.id]
      }
    }
  }
]

@description('Resource id of the action group with the recipients.')
output actionGroupId string = actionGroup.id
