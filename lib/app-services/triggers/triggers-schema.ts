import * as v from 'valibot'
import { aFunction, aText, membersOf } from '../check-options.js'
import { PROVIDER_TYPES } from '../users/stored-user.js'
import type { ProviderType } from '../users/stored-user.js'
import type { TriggerOperation, TriggerEvent } from './trigger-options.js'

const OPERATIONS = ['LOGIN', 'CREATE', 'DELETE', 'LOGOUT'] as const satisfies readonly TriggerOperation[]

const aProvider = v.picklist<readonly ProviderType[], string>(
  PROVIDER_TYPES,
  `write one of ${PROVIDER_TYPES.join(', ')}`,
)

const trigger = membersOf({
  name: v.optional(aText),
  operationType: v.picklist(OPERATIONS, 'write "LOGIN", "CREATE", "DELETE" or "LOGOUT"'),
  providers: v.optional(
    v.pipe(
      v.array(aProvider, 'write a list of providers'),
      v.nonEmpty('write at least one provider, or leave "providers" out for all'),
    ),
  ),
  handler: aFunction<(event: TriggerEvent) => unknown>(),
})

/** The schema of the option `triggers`. */
export const triggersOption = v.optional(v.array(trigger, 'write a list of triggers'), [])
