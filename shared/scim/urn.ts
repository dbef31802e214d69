/** Schema and message URNs of RFC 7643 and RFC 7644. */
export const urn = {
	user: 'urn:ietf:params:scim:schemas:core:2.0:User',
	group: 'urn:ietf:params:scim:schemas:core:2.0:Group',
	enterpriseUser: 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User',
	schema: 'urn:ietf:params:scim:schemas:core:2.0:Schema',
	resourceType: 'urn:ietf:params:scim:schemas:core:2.0:ResourceType',
	serviceProviderConfig: 'urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig',
	listResponse: 'urn:ietf:params:scim:api:messages:2.0:ListResponse',
	searchRequest: 'urn:ietf:params:scim:api:messages:2.0:SearchRequest',
	patchOp: 'urn:ietf:params:scim:api:messages:2.0:PatchOp',
	bulkRequest: 'urn:ietf:params:scim:api:messages:2.0:BulkRequest',
	bulkResponse: 'urn:ietf:params:scim:api:messages:2.0:BulkResponse',
	error: 'urn:ietf:params:scim:api:messages:2.0:Error',
	/** Ours: the feed of changes. */
	changeList: 'urn:rollcall:params:scim:api:messages:1.0:ChangeList',
} as const
