metadata description = 'Alerts if a tenant behind the relay has too few or too many agents.'

import { relayTenant } from 'relay.bicep'

@description('Required. Name of the relay namespace.')
param name string

@description('Required. Tags.')
param tags { *: string }

@description('Required. The tenants.')
param tenants relayTenant[]

@description('Required. Resource id of the action group with the recipients.')
param actionGroupId string

resource namespace 'Microsoft.Relay/namespaces@2024-01-01' existing = {
  name: name
}

// Two rules for each tenant, because all conditions of one rule must be met.
var rules = flatten(map(tenants, each => [
  {
    name: '${name}-${each.tenant}-agents'
    description: 'Fewer than ${each.listeners} agents of the tenant ${each.tenant} are connected.'
    tenant: each.tenant
    operator: 'LessThan'
    threshold: each.listeners
  }
  {
    name: '${name}-${each.tenant}-surplus-agents'
    description: 'More than ${each.listeners} agents of the tenant ${each.tenant} are connected. An agent that is not yours receives requests of the tenant.'
    tenant: each.tenant
    operator: 'GreaterThan'
    threshold: each.listeners
  }
]))

resource agents 'Microsoft.Insights/metricAlerts@2026-01-01' = [
  for rule in rules: {
    name: rule.name
    location: 'global'
    tags: tags
    properties: {
      description: rule.description
      enabled: true
      severity: 2
      scopes: [namespace.id]
      evaluationFrequency: 'PT1M'
      windowSize: 'PT1M'
      criteria: {
        'odata.type': 'Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria'
        allOf: [
          {
            name: 'agents'
            criterionType: 'StaticThresholdCriterion'
            metricName: 'ActiveListeners'
            dimensions: [{ name: 'EntityName', operator: 'Include', values: [rule.tenant] }]
            // The metric has one value a minute and can only be summed. Over a longer window the sum would count minutes.
            timeAggregation: 'Total'
            operator: rule.operator
            threshold: rule.threshold
          }
        ]
      }
      actions: [{ actionGroupId: actionGroupId }]
    }
  }
]
