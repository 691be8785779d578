import type { CollectionRules } from 'express-custom-user-data/app-services'

/** As `data_sources/mongodb-atlas/app/custom_user_data/rules.json` of an exported app has them. */
export const rules: CollectionRules = {
  database: 'app',
  collection: 'custom_user_data',
  roles: [
    {
      name: 'owner',
      apply_when: { owner_id: '%%user.id' },
      insert: false,
      delete: false,
      search: false,
      fields: { theme: { read: true, write: true } },
      // Users read the other fields. Only the server changes them.
      additional_fields: { read: true, write: false },
    },
  ],
}
