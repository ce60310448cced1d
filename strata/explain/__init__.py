"""What a network sees: filters, maps, made images, saliency, class maps, neighbours; for any ``nn.Module``."""

from strata.explain.class_maps import box_of_map, cam, grad_cam, resize_map
from strata.explain.deconvolution import deconvolve, strongest_units
from strata.explain.explaining import explain, list_parts
from strata.explain.explanation import Explanation, Part
from strata.explain.gradients import input_gradient, integrated_gradients, saliency
from strata.explain.layers import feature_maps, first_layer_filters, level_layers
from strata.explain.maximization import Regularization, maximize_activation
from strata.explain.neighbours import Neighbours, nearest_images, project_features
from strata.explain.occlusion import occlusion
from strata.explain.pretrained import pretrained_classifier
from strata.explain.surface import loss_surface, path_directions

__all__ = [
    "Explanation",
    "Neighbours",
    "Part",
    "Regularization",
    "box_of_map",
    "cam",
    "deconvolve",
    "explain",
    "feature_maps",
    "first_layer_filters",
    "grad_cam",
    "input_gradient",
    "integrated_gradients",
    "level_layers",
    "list_parts",
    "loss_surface",
    "maximize_activation",
    "nearest_images",
    "occlusion",
    "path_directions",
    "pretrained_classifier",
    "project_features",
    "resize_map",
    "saliency",
    "strongest_units",
]
