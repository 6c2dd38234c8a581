import { Check, Minus } from 'lucide-react'
import { Checkbox as Radix } from 'radix-ui'

interface CheckboxProps {
  label: string
  checked: boolean | 'indeterminate'
  onChange: (checked: boolean) => void
}

/** A tick box; its label is read out, not shown. */
export function Checkbox({ label, checked, onChange }: CheckboxProps) {
  return (
    <Radix.Root
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
