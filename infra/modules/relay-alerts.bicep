metadata description = 'Tells when a tenant behind the relay has fewer agents than it should, or more.'

import { relayTenant } from 'relay.bicep'

@description('Required. Name of the relay namespace.')
param name string

@description('Required. Tags.')
param tags { *: string }

@description('Required. The tenants.')
param tenants relayTenant[]

@description('Required. Resource id of the group of people who are told.')
param actionGroupId string

resource namespace 'Microsoft.Relay/namespaces@2024-01-01' existing = {
  name: name
}

// Two rules a tenant, since the conditions of one must all be met.
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
    description: 'More than ${each.listeners} agents of the tenant ${each.tenant} are connected. One that is not yours is sent requests of the tenant.'
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
            // The metric can only be summed up, and comes once a minute: over a longer window it would count minutes.
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
