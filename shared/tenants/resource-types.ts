import { builtInTypes, type ResourceTypes } from '../scim/resource-type.ts'
import type { Tenant } from './tenants.ts'

/** The resource types of a tenant. */
export const typesOf = (_tenant: Tenant): ResourceTypes => builtInTypes
