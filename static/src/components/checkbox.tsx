import { Check, Minus } from 'lucide-react'
import { Checkbox as Radix } from 'radix-ui'
import { useId } from 'react'

interface CheckboxProps {
  id?: string
  label: string
  checked: boolean | 'indeterminate'
  onChange: (checked: boolean) => void
}

/** A tick box with a label. */
export function Tick({ label, checked, onChange }: CheckboxProps & { checked: boolean }) {
  const id = useId()
  return (
    <div className="flex items-center gap-2 text-sm">
      <Checkbox id={id} label={label} checked={checked} onChange={onChange} />
      <label htmlFor={id} className="cursor-pointer">
        {label}
      </label>
    </div>
  )
}

/** A tick box with a label that is read out, not shown. */
export function Checkbox({ id, label, checked, onChange }: CheckboxProps) {
  return (
    <Radix.Root
      id={id}
      aria-label={label}
      checked={checked}
      onCheckedChange={(next) => onChange(next === true)}
      className="grid size-4 shrink-0 place-items-center rounded border border-edge bg-surface data-[state=checked]:border-accent-solid data-[state=indeterminate]:border-accent-solid data-[state=checked]:bg-accent-solid data-[state=indeterminate]:bg-accent-solid"
    >
      <Radix.Indicator className="text-on-solid">
        {checked === 'indeterminate' ? <Minus size={12} aria-hidden /> : <Check size={12} aria-hidden />}
      </Radix.Indicator>
    </Radix.Root>
  )
}
