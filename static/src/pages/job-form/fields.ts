// Connects a form field with a value of the form: name, checks, error.

import { type FieldPath, get, useFormContext } from 'react-hook-form'
import type { FormValues } from './values'

interface Checks {
  number?: boolean
  required?: boolean
}

/** The props of a field: `<TextField {...field('name')} />`. */
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
