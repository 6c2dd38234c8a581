// Secrets in the form of a job: references in JSON, and signatures of requests.

import { KeySquare } from 'lucide-react'
import { useController, useFormContext } from 'react-hook-form'
import { useMay } from '@/access/rights'
import { type SecretRowFragment, SecretsDocument } from '@/api/generated'
import { useApi } from '@/api/queries'
import { buttonClass } from '@/components/button'
import { SelectField } from '@/components/field'
import { Menu, MenuItem } from '@/components/menu'
import type { FormValues } from './values'

const STALE_MILLIS = 10_000
const SIGNING = 'target.http.signingSecrets'

/** The secrets that this job may refer to. */
function useJobSecrets(): SecretRowFragment[] {
  const namespace = useFormContext<FormValues>().watch('namespace')
  const may = useMay('secrets')
  const { data } = useApi(SecretsDocument, { namespace }, { staleTime: STALE_MILLIS, enabled: may })
  return data?.secrets ?? []
}

/** Offers references; empty without a secret. */
export function SecretOffer({ where, onChoose }: { where: string; onChoose: (name: string) => void }) {
  const secrets = useJobSecrets().filter(({ isSigning }) => !isSigning)
  if (secrets.length === 0) return null
  return (
    <Menu
      trigger={
        <button type="button" className={buttonClass('quiet')} aria-label={`Insert a secret into the ${where}`}>
          <KeySquare size={15} aria-hidden />
          Insert a secret
        </button>
      }
    >
      {secrets.map(({ name, hosts }) => (
        <MenuItem key={name} onSelect={() => onChoose(name)}>
          <span className="flex min-w-0 flex-col">
            <span className="max-w-72 truncate">{name}</span>
            <span className="max-w-72 truncate text-muted text-xs">{hosts.join(', ')}</span>
          </span>
        </MenuItem>
      ))}
    </Menu>
  )
}

/** The secrets that sign the requests; empty where there is none to choose. */
export function SigningFields() {
  const { field, fieldState } = useController<FormValues, typeof SIGNING>({ name: SIGNING })
  const [first = '', second = ''] = field.value
  const known = useJobSecrets()
    .filter(({ isSigning }) => isSigning)
    .map(({ name }) => name)
  const names = [...new Set([...known, first, second])].filter(Boolean)
  if (names.length === 0) return null
  const options = (without: string) =>
    names
      .filter((name) => name !== without)
      .map((name) => (
        <option key={name} value={name}>
          {name}
        </option>
      ))
  return (
    <div className="grid gap-4 sm:grid-cols-2" data-field={SIGNING}>
      <SelectField
        label="Sign requests with"
        hint="A signature by Standard Webhooks"
        error={fieldState.error?.message}
        ref={field.ref}
        value={first}
        onBlur={field.onBlur}
        onChange={({ target }) => field.onChange(target.value ? [target.value, second] : [])}
      >
        <option value="">None: no signature</option>
        {options(second)}
      </SelectField>
      {first && (
        <SelectField
          label="And with"
          hint="While the second secret replaces the first"
          value={second}
          onChange={({ target }) => field.onChange([first, target.value])}
        >
          <option value="">No second one</option>
          {options(first)}
        </SelectField>
      )}
    </div>
  )
}
