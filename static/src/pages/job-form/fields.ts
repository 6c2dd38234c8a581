// Ties a field of the kit to a value of the form: its name, its checks, its error.

import { type FieldPath, get, useFormContext } from 'react-hook-form'
import type { FormValues } from './values'

interface Checks {
  number?: boolean
  required?: boolean
}

/** What a field needs: `<TextField {...field('name')} />`. */
export function useFieldProps() {
  const { register, formState } = useFormContext<FormValues>()
  return (path: FieldPath<FormValues>, { number, required }: Checks = {}) => ({
    ...register(path, {
      required: required ? 'This is needed' : false,
      validate: (value) => !number || String(value).trim() === '' || isNumber(String(value)) || 'This is not a number',
    }),
    error: (get(formState.errors, path) as { message?: string } | undefined)?.message,
  })
}

function isNumber(text: string): boolean {
  return Number.isFinite(Number(text))
}
